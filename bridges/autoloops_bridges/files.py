"""Files that are replaced as a whole."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``: whatever happens meanwhile, the old or the new file is there.

    A link stays one, and an old file's rights are the new one's. Blocks: until it lies on the disk.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """
    path = Path(os.path.realpath(path))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, draft)
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
