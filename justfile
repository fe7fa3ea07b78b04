# The verbs of the house. `just` lists them.
set positional-arguments

_list:
    @just --list

# everything: format, lints, documentation, tidy, all tests; ends with totals
test *arguments:
    tests/run "$@"

# without the end-to-end tests
quick:
    tests/run --quick

# rewrite the sources in the house format
format:
    cargo fmt --all

# lints, as strict as in `tests/run`
lint:
    cargo clippy --profile ci --workspace --all-targets -- -D warnings

# habits that a test can hold
tidy:
    cargo nextest run --cargo-profile ci -p duet-tests --test tidy

# the reference pages of every crate
doc:
    cargo doc --profile ci --workspace --no-deps

# schema/duet.schema.json and the marked places of docs/reference, anew from the code
pages:
    UPDATE_SCHEMA=1 cargo nextest run --cargo-profile ci -p duet-cli --bin duet pages catalogue

# the binary, optimised
build:
    cargo build --release -p duet-cli

# duet beside LIMIT, row by row, on servers of its own; wants an idle machine (docs/performance.md)
bench *arguments:
    cargo build --release -p duet-cli -p duet-bench -p duet-bench-limit
    target/release/bench "$@"

# a Salesforce stand-in on this machine, with the fields of the Northwind flows
emulator port="8800":
    cargo run --profile ci -p duet-cli -- emulator --listen "127.0.0.1:{{port}}" \
        --metadata tests/northwind/metadata

# RabbitMQ, PostgreSQL and duet in containers
up:
    docker compose up --build --detach

# stop them; their data stays
down:
    docker compose down
