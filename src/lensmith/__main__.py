"""`python -m lensmith`, which is also what torchrun starts."""

if __name__ == "__main__":
    import sys

    # `-m` puts the working folder first: a yaml.py of the repository that one stands in would be imported for yaml.
    if not sys.flags.safe_path:
        del sys.path[0]

    from lensmith.cli.main import main

    main()
