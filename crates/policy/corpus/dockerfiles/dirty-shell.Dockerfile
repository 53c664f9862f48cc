FROM debian:12-slim
RUN source /etc/profile && [[ -f /x ]] && echo yes
RUN set -o pipefail && curl -fsSL https://example.com/x | sha256sum
RUN wget -O - https://example.com/key.asc | apt-key add -
RUN curl -fsSL https://example.com/x | grep -q foo
RUN function f { echo; }; f
RUN arr=(a b); echo ${arr[0]}
RUN echo -e "a\nb" > /x
RUN pushd /tmp
