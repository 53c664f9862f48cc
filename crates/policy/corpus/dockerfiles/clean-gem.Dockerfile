FROM ruby:4.0.1-slim-trixie@sha256:2323232323232323232323232323232323232323232323232323232323232323
WORKDIR /app
COPY Gemfile Gemfile.lock ./
RUN gem install bundler:2.7.1 --no-document && bundle config set frozen true && bundle install
COPY . .
USER 1000
CMD ["bundle", "exec", "puma"]
HEALTHCHECK CMD ["bundle", "exec", "rake", "health"]
