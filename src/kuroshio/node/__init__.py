"""The only room that knows all the others: a node from its file, its cycle, its sharing, its face to the API.

What enters: a node file (`config`), bytes of sources, parcels of partners. What leaves: a running `node.Node` with a
`service.Service`. It deliberately holds no domain knowledge: it joins the stages and adapters and performs what they
say, in one worker thread.
"""
