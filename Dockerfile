# duet in a container: built in one stage, run in another without a compiler and without root.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked -p duet-cli && cp target/release/duet /duet

FROM debian:bookworm-slim
# Certificates: TLS checks servers against those of the system.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /etc/duet --shell /usr/sbin/nologin duet
COPY --from=build /duet /usr/local/bin/duet
USER 10001
# The project's configuration is mounted here.
WORKDIR /etc/duet
STOPSIGNAL SIGTERM
ENTRYPOINT ["duet"]
CMD ["run"]
