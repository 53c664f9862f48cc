# syntax=docker/dockerfile:1
FROM ubuntu:18.04
RUN <<EOF
apt-get update
apt-get install -y curl
curl -k https://example.com/x -o /usr/local/bin/x
chmod 0777 /usr/local/bin/x
EOF
RUN <<-"SCRIPT"
	set -e
	pip install requests
	SCRIPT
COPY <<EOF /etc/pip.conf
[global]
trusted-host = pypi.example.com
EOF
