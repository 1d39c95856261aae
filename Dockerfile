# The image of tandemd. scripts/check/dockerfile runs the same build steps without Docker.

# --- Build -----------------------------------------------------------------------------------------------------------
# Bookworm, because the image below is Debian bookworm too: the C library, libcurl and OpenSSL that tandemd is linked with
# are then those it will run with. 6.3 follows the patch releases of the Swift that Package.swift asks for.
FROM swift:6.3-bookworm AS build

RUN apt-get update \
    && apt-get install --yes --no-install-recommends pkg-config libcurl4-openssl-dev libssl-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /build

# The manifest alone first: this layer is reused until the dependencies change.
COPY Package.swift ./
RUN swift package resolve

# SwiftPM wants every target of the manifest to be there, tests too.
COPY Sources ./Sources
COPY Tests ./Tests
COPY Examples ./Examples
COPY config ./config
RUN swift build --configuration release --product tandemd --static-swift-stdlib

# What goes into the image, in one place. Not stripped: the backtrace of a crash names functions and lines.
RUN mkdir --parents staging/usr/bin staging/usr/libexec staging/etc/tandemd \
    && install "$(swift build --configuration release --product tandemd --static-swift-stdlib --show-bin-path)/tandemd" staging/usr/bin/ \
    && install /usr/libexec/swift/linux/swift-backtrace-static staging/usr/libexec/ \
    && install --mode=644 config/tandemd.yaml staging/etc/tandemd/

# --- Run -------------------------------------------------------------------------------------------------------------
FROM debian:bookworm-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates tzdata libcurl4 libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin tandemd

COPY --from=build /build/staging/ /

# A crash prints the stacks of all threads to standard error, and never waits for a terminal.
ENV SWIFT_BACKTRACE=enable=yes,sanitize=yes,threads=all,images=all,interactive=no,swift-backtrace=/usr/libexec/swift-backtrace-static

USER tandemd
EXPOSE 8080

# Stops accepting, finishes what is in flight, then ends: within 45 s as configured, so let 'docker stop --time 60' wait.
# SIGHUP reloads the configuration, SIGUSR1 writes what every hub is doing to standard error.
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/usr/bin/tandemd", "healthcheck"]

# Arguments to 'docker run' replace the second line. Inside a container every address has to be listened on.
ENTRYPOINT ["/usr/bin/tandemd"]
CMD ["serve", "--config", "/etc/tandemd/tandemd.yaml", "--host", "0.0.0.0"]
