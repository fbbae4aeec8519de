# `make help` lists the targets. Most of them run a script of scripts/.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help deps demo test test-shared bench bench-audit load enroll-check hostile slow-clients starve rolling-restart failover peer growth scale attacks faults soak fuzz cases api-contract snippets clients console evaluate calibrate lint check-deploy reference fmt sqlx dist dist-check postgres-versions aarch64

help: ## show this list of targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' Makefile

deps: ## install what is missing (PostgreSQL, ONNX Runtime, the models) and build the program
	@scripts/deps.sh

demo: deps ## run the service with sample people; ARGS=--once exits after the eight documented requests
	@scripts/padan-demo.sh run $(ARGS)

test: ## run every check that needs nothing but this checkout
	@scripts/test.sh

test-shared: ## run the tests that read the photo collections in ../shared
	@scripts/test-shared.sh

bench: deps ## run the benchmarks; ARGS=NAME selects those whose name contains NAME
	@scripts/bench.sh $(ARGS)

bench-audit: deps ## measure the time of a durable audit row and of a complete request, with fsync on
	@scripts/padan-demo.sh cluster --durable -- cargo bench --quiet --package padan-benches --bench audit

load: ## measure a service under load against the bare face pipeline; ARGS=--soak measures its memory instead
	@scripts/deps.sh --for-kernels
	@scripts/load.sh $(ARGS)

enroll-check: deps ## enrol 20,000 generated people and kill the enrolment twice; takes 15 minutes
	@scripts/enroll-check.sh

hostile: deps ## let the program read the most expensive photos, and show their peak memory and processor time
	@scripts/hostile.sh

starve: deps ## let a client send the most expensive photos, and show how long another client waits
	@scripts/deps.sh --for-load
	@scripts/starve.sh $(ARGS)

slow-clients: deps ## let 1,000 clients send 10 MB slowly each, and show the answers and the peak memory
	@scripts/slow-clients.sh

rolling-restart: ## restart two services behind HAProxy in turn under load, and count failed requests
	@scripts/deps.sh --for-balancer
	@scripts/rolling-restart.sh $(ARGS)

failover: ## kill the two standbys that a service reads under load, hold one back, and count failed requests
	@scripts/deps.sh --for-load
	@scripts/failover.sh $(ARGS)

peer: ## compare speed, CPU time and memory with a FastAPI service that does the same; takes some minutes
	@scripts/deps.sh --for-load
	@scripts/python-venv.sh peer benches/peer
	@scripts/peer.sh $(ARGS)

growth: ## try every operation on partitions, PgBouncer, Patroni and Citus, as far as they can be had; ARGS=FORMS for some
	@scripts/deps.sh --for-load
	@scripts/growth.sh $(ARGS)

scale: ## measure look-ups and enrolment among 10 thousand to 10 million generated people; ARGS=SIZES for others
	@scripts/deps.sh --for-scale
	@scripts/scale.sh $(ARGS)

attacks: deps ## attack a service in the ways that an audit would, and print a table of what held
	@scripts/attacks.sh $(ARGS)

faults: deps ## break registry, store and service in turn under load, and count what is lost
	@scripts/faults.sh $(ARGS)

soak: deps ## compare 50,000 answers under load and faults with those to the same requests alone
	@scripts/soak.sh $(ARGS)

fuzz: ## run each fuzz target for FUZZ_SECONDS (1800) on mutated input, and print what it found; ARGS=TARGETS for some
	@scripts/fuzz.sh $(ARGS)

cases: deps ## send the odd photos, requests and names of ../shared/cases to a service, and print what is wrong
	@scripts/cases.sh $(ARGS)

api-contract: deps ## check a service with requests generated from its OpenAPI document; ARGS=CASES for another number
	@scripts/api-contract.sh $(ARGS)

snippets: deps ## run every program of docs/clients.md against a service with the sample people
	@scripts/snippets.sh

clients: deps ## call a service by the Node SDK, generated clients, the Postman collection and a browser
	@scripts/clients.sh

console: ## build console/dist from console/; ARGS=--check compares instead
	@scripts/console.sh $(ARGS)

evaluate: ## measure error rates on the photos in ../shared/faces, and check them with NumPy
	@scripts/evaluate.sh

calibrate: ## compute the calibrations of the model sets from the photos in ../shared/faces
	@scripts/calibrate.sh

lint: ## check the format, clippy, the dependencies between crates, the imports within them and the crates of others
	@scripts/lint.sh

check-deploy: ## check rules, dashboards, manifests and links in deploy/ and docs/
	@scripts/check-deploy.sh

reference: ## write docs/reference.md, and the Kubernetes objects of rules and dashboard, from their sources
	python3 -B tools/deploy/reference.py
	python3 -B tools/deploy/monitoring_objects.py

fmt: ## format the code
	cargo fmt --all

sqlx: ## update .sqlx after a change of a query or a migration, with the program that was built last
	@scripts/padan-demo.sh cluster -- scripts/sqlx-prepare.sh

postgres-versions: deps ## run migrations, queries and tests of the store on PostgreSQL 14 to 18; ARGS=VERSIONS for some
	@scripts/postgres-versions.sh $(ARGS)

dist: deps ## make the Debian package, the archive and the offline bundle in target/dist; PADAN_SIGNING_KEY=FILE signs them
	@scripts/dist.sh $(ARGS)

dist-check: deps ## make them twice, compare the bytes, and install, upgrade, purge and start what they contain; as root
	@scripts/dist-check.sh $(ARGS)

aarch64: ## compile the program for aarch64 on x86-64, and let it verify a sample person under emulation
	@scripts/aarch64.sh
