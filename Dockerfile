# The image of tandemd. scripts/check/dockerfile runs the same build steps without Docker.

# --- Build -----------------------------------------------------------------------------------------------------------
# The image below is Debian bookworm too, so tandemd runs with the same C library, libcurl and OpenSSL that it is linked with.
# 6.3 follows the patch releases of the Swift version that Package.swift requires.
FROM swift:6.3-bookworm AS build

RUN apt-get update \
    && apt-get install --yes --no-install-recommends pkg-config libcurl4-openssl-dev libssl-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /build

# Copying the manifest first lets Docker reuse this layer until the dependencies change.
COPY Package.swift ./
RUN swift package resolve

# SwiftPM needs the sources of every target in the manifest, also those of tests.
COPY Sources ./Sources
COPY Tests ./Tests
COPY Examples ./Examples
COPY config ./config
# The toolset lets TandemPatch stand before functions of Swift's own libraries.
RUN swift build --configuration release --product tandemd --static-swift-stdlib --toolset config/static-toolset.json

# Collects the files of the image. tandemd is not stripped, so that the backtrace of a crash names functions and lines.
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

# A crash prints the stacks of all threads to standard error without waiting for input.
ENV SWIFT_BACKTRACE=enable=yes,sanitize=yes,threads=all,images=all,interactive=no,swift-backtrace=/usr/libexec/swift-backtrace-static

USER tandemd
EXPOSE 8080

# On SIGTERM tandemd stops accepting, finishes the requests in flight and ends. With the default configuration this takes up to
# 45 s, so use 'docker stop --time 60'. SIGHUP reloads the configuration; SIGUSR1 dumps the state of every hub to standard error.
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/usr/bin/tandemd", "healthcheck"]

# The arguments of 'docker run' replace CMD. In a container tandemd must listen on all addresses.
ENTRYPOINT ["/usr/bin/tandemd"]
CMD ["serve", "--config", "/etc/tandemd/tandemd.yaml", "--host", "0.0.0.0"]
