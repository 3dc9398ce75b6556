def make_pipeline():
    return None
