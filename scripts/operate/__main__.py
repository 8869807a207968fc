"""`python -m scripts.operate`."""

from scripts.operate.cli import main

if __name__ == "__main__":
    main()
