"""`python -m kuroshio` is the `kuroshio` command."""

from kuroshio.cli.main import main

if __name__ == "__main__":
    main()
