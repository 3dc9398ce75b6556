def load_pipe(:
    return None
