"""`python -m scripts.generate_data`."""

from scripts.generate_data.cli import main

if __name__ == "__main__":
    main()
