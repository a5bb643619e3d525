"""`python -m mriclassify`: the command line where no `mriclassify` is on the PATH."""

import sys

from mriclassify._cli import main

if __name__ == "__main__":
    sys.exit(main())
