"""`python -m scripts.ingest_foo`."""

from scripts.ingest_foo.cli import main

if __name__ == "__main__":
    main()
