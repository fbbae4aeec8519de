# What each target does: `make help`. The work is done by the scripts beside it and by the program itself.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help deps demo test test-shared bench bench-audit load enroll-check slow-clients rolling-restart failover peer scale evaluate calibrate lint check-deploy fmt sqlx

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

deps: ## install what is missing: PostgreSQL, ONNX Runtime, the models
	@scripts/deps.sh

demo: deps ## run the service with sample people; ARGS=--once ends after the eight answers
	@scripts/padan.sh demo $(ARGS)

test: ## every check that needs nothing but this checkout
	@scripts/test.sh

test-shared: ## the tests that read the photo collections in ../shared
	@scripts/test-shared.sh

bench: deps ## the benchmarks; ARGS=NAME runs those whose name contains it
	@scripts/bench.sh $(ARGS)

bench-audit: deps ## how long a durable audit row takes beside a whole request, with fsync on
	@scripts/padan.sh cluster --durable -- cargo bench --quiet --package padan-benches --bench audit

load: ## a service under load beside the bare face pipeline, and the goals for speed; ARGS=--soak for its memory
	@scripts/deps.sh --for-kernels
	@scripts/load.sh $(ARGS)

enroll-check: deps ## enrol 20,000 generated people and kill it twice; takes a quarter of an hour
	@scripts/enroll-check.sh

slow-clients: deps ## 1,000 clients that each send 10 MB slowly: what they are answered, and the peak of memory
	@scripts/slow-clients.sh

rolling-restart: ## two services behind HAProxy are restarted in turn under load: how many requests fail
	@scripts/deps.sh --for-balancer
	@scripts/rolling-restart.sh $(ARGS)

failover: ## a service reads two standbys, which are killed in turn under load: how many requests fail
	@scripts/deps.sh --for-load
	@scripts/failover.sh $(ARGS)

peer: ## beside a FastAPI service that does the same: speed, CPU time and memory; takes some minutes
	@scripts/deps.sh --for-load
	@scripts/python-venv.sh peer benches/peer
	@scripts/peer.sh $(ARGS)

scale: ## look-ups and enrolment among 10 thousand, 1 million and 10 million generated people; ARGS=SIZES for others
	@scripts/deps.sh --for-scale
	@scripts/scale.sh $(ARGS)

evaluate: ## error rates on the photos in ../shared/faces, checked by NumPy
	@scripts/evaluate.sh

calibrate: ## make the scales of percentages anew from the photos in ../shared/faces
	@scripts/calibrate.sh

lint: ## format, clippy and the promised arrows between crates
	@scripts/lint.sh

check-deploy: ## rules, dashboards, manifests and links of deploy/ and docs/
	@scripts/check-deploy.sh

fmt: ## format the code
	cargo fmt --all

sqlx: ## write .sqlx anew after a change of a query or a migration, with the program that was built last
	@scripts/padan.sh cluster -- scripts/sqlx-prepare.sh
