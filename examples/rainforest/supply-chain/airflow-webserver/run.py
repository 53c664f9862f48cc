import sqlalchemy; print("webserver: SQLAlchemy", sqlalchemy.__version__)
