FROM debian:10
RUN apt-get update
RUN apt-get install -y gnupg2
RUN apt-get install -y --force-yes --allow-unauthenticated foo
RUN echo "deb [trusted=yes] http://apt.example.com/ stable main" > /etc/apt/sources.list.d/x.list
RUN apt-get dist-upgrade -y
RUN apt-get install vim
