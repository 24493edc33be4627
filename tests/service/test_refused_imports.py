"""A library that is refused cannot be imported, although it is there, and who can do without it does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_refused_library_is_not_loaded_even_where_it_is_installed(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("print('loaded')")
    (tmp_path / "user.py").write_text("try:\n    import torch.nn\nexcept ImportError as e:\n    print(e)")
    code = "from her_os.service.refused_imports import refuse_imports as r; r('torch'); import user, sys; "
    code += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "this process does without torch\nFalse\n"
