# The broker, and nothing that it does not need to run. Keys and messages come
# from outside: certificates are mounted, and the database is a volume.
FROM python:3.11-slim

# A key is readable by its owner alone, and whoever mounts one is user 1000 on
# most machines. Others run it with --user "$(id -u)", whose group is 0.
RUN useradd --uid 1000 --gid 0 --no-create-home --shell /usr/sbin/nologin miniqueue \
    && install --directory --owner 1000 --group 0 --mode 0770 \
        /etc/miniqueue/certs /var/lib/miniqueue

WORKDIR /usr/src/miniqueue
COPY pyproject.toml README.md LICENSE ./
COPY miniqueue_py/ miniqueue_py/
RUN pip install --no-cache-dir '.[server]'

# Without -cert, development certificates are made in certs/ below this.
WORKDIR /etc/miniqueue
ENV MINIQUEUE_DB=/var/lib/miniqueue
# Loopback would be the container's own. What -p publishes is open to whoever reaches it.
ENV MINIQUEUE_HOST=*
VOLUME /var/lib/miniqueue
EXPOSE 8080
USER 1000:0

# Not verified: the certificate is for the clients' name of this machine.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["python", "-c", "\
import http.client, os, ssl; \
port = int(os.environ.get('MINIQUEUE_PORT') or 8080); \
tls = ssl._create_unverified_context(); \
broker = http.client.HTTPSConnection('127.0.0.1', port, timeout=4, context=tls); \
broker.request('GET', '/healthz'); \
raise SystemExit(broker.getresponse().status != 200)"]

ENTRYPOINT ["miniqueue"]
