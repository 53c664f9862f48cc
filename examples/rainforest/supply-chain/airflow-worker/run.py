import psycopg2; print("worker: psycopg2", psycopg2.__version__.split()[0])
