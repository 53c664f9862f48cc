FROM ruby:2.7
RUN gem install rails
RUN bundle install
FROM php:7.4-apache
RUN curl -sS https://getcomposer.example.org/installer | php
RUN composer install
