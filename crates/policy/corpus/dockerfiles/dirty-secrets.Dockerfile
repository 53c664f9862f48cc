FROM debian:12
ARG DB_PASSWORD=hunter2secret
ENV AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY
ENV API_TOKEN $API_TOKEN
RUN curl -fsS -u admin:admin123 https://nexus.example.com/repository/raw/file -o /opt/file
RUN git clone https://oauth2:glpat-abcdefghij0123456789@git.example.com/a/b.git /src
COPY id_rsa /root/.ssh/id_rsa
COPY .env /app/.env
RUN echo "root:toor" | chpasswd
RUN mysql -uroot -pSuperSecret1 -e 'select 1'
