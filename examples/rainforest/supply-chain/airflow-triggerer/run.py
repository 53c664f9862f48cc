import greenlet; print("triggerer: greenlet", greenlet.__version__)
