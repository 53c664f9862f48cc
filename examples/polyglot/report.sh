#!/bin/sh
# Every tool says what it was built with.
set -e
python3 -c 'import click, markupsafe; print("python: click", click.__version__)'
java -jar /opt/service.jar
gotool
rusttool
node /opt/node/index.js
