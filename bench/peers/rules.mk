# bench/peers/rules.mk: steplog beside what people use instead: make bench-peers. See README.md here.

# A store takes part when its header is there: install.sh tries to see to that, and then make looks again.
has_header = $(shell echo '\#include <$1>' | $(CC) -E -x c - > /dev/null 2>&1 && echo yes)
PEER_STORES := $(if $(filter bench-peers-build,$(MAKECMDGOALS)),$(foreach p,sqlite:sqlite3.h:sqlite3 lmdb:lmdb.h:lmdb \
                   leveldb:leveldb/c.h:leveldb rocksdb:rocksdb/c.h:rocksdb,\
                   $(if $(call has_header,$(word 2,$(subst :, ,$p))),$p)))
PEER_SOURCES := $(addprefix bench/peers/,peers.c peers_steps.c peers_load.c peer_steplog.c peer_files.c \
                   $(foreach p,$(PEER_STORES),peer_$(word 1,$(subst :, ,$p)).c)) \
                bench/bench_store.c bench/timing.c bench/workload.c
PEER_LIBS := $(foreach p,$(PEER_STORES),-l$(word 3,$(subst :, ,$p)))

$(eval $(call program_rule,release,$(B)/bench-peers,$(call objects,release,$(PEER_SOURCES)),$(PEER_LIBS)))

# No C header of RocksDB tells its version.
ROCKSDB_VERSION = $(shell $(PKG_CONFIG) --modversion rocksdb 2>/dev/null)
$(B)/release/bench/peers/peer_rocksdb.o: release_CFLAGS += -DROCKSDB_VERSION='"$(ROCKSDB_VERSION)"'

.PHONY: bench-peers bench-peers-build $(if $(PEER_STORES),$(B)/bench-peers)
bench-peers-build: $(B)/bench-peers tool

bench-peers: ## beside SQLite, LMDB, LevelDB, RocksDB, trackers; build/peers.json; FULL=1 longer, DATA=dir logs
	@bench/peers/install.sh $(B)
	@+$(MAKE) --no-print-directory -j$(JOBS) bench-peers-build
	@FULL=$(FULL) bench/peers/run.sh $(B) $(DATA)
