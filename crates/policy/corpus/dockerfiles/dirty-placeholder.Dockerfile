FROM registry.example.com/base:TODO
FROM nginx:${TAG}
FROM your-registry/app:x.y.z
FROM registry.example.com/app:changeme
