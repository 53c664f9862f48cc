FROM python:latest
ADD . /app
WORKDIR app
RUN pip install flask requests>=2.0
CMD python app.py
