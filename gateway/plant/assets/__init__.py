"""Assets and points of an account: values, validation, storage, import and export."""
