"""`python -m lensmith`, which is also what torchrun starts."""

from lensmith.cli.main import main

if __name__ == "__main__":
    main()
