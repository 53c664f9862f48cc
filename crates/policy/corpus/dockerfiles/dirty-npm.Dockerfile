FROM node:16-alpine
WORKDIR /app
COPY package*.json .
RUN npm install
RUN npm i express left-pad@1.0.0
RUN yarn add react
RUN npm install --registry http://npm.example.com/ --unsafe-perm
COPY . .
EXPOSE 80 99999
CMD npm start
