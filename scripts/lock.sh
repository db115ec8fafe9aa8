#!/bin/sh
# Write the lock files again from pyproject.toml: exact versions and hashes for every platform, and no index named.
# Pins are kept where they still satisfy pyproject.toml; UPGRADE=1 takes the newest of everything.
set -eu

cd -- "$(dirname -- "$0")/.."
uv=$(sh scripts/setup_env.sh uv)
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"

# compile OUTPUT INPUT...
compile() {
    output=$1
    shift
    printf '%s\n' "$output"
    # An output that does not exist yet has no pins to keep; an empty one would be read as such a file.
    "$uv" pip compile "$@" --quiet --universal --python-version 3.12 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url ${UPGRADE:+--upgrade} --output-file "$output" >/dev/null
}

compile requirements.lock pyproject.toml --group build-backend
# The same versions as above, and more packages: one environment serves both.
compile requirements-dev.lock pyproject.toml --group build-backend --extra dev --constraints requirements.lock
printf 'uv\n' | compile requirements-uv.lock -

if grep -nE '://|^-|file:|@ ' requirements.lock requirements-dev.lock requirements-uv.lock; then
    printf 'The lines above name a place to fetch from: lock files hold versions and hashes only.\n' >&2
    exit 1
fi
