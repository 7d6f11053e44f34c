"""`python -m campaigns_async`: the command line."""

from campaigns_async.cli import main

if __name__ == "__main__":
    main()
