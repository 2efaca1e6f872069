"""Projectors as their authors publish them: C-MCR, Ex-MCR and FreeBind."""
