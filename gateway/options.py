"""The base of every part's options: frozen, strict about keys, silent about values."""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """A part's share of the configuration; each part owns its own subclass and opens itself from it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        # A value may be a secret; a problem is named by its key alone.
        hide_input_in_errors=True,
        validate_default=True,
    )
