# settle: one Makefile. `make demo` and `make test` are for newcomers; `make help` lists the rest.
# The architecture is stated once, in tools/rooms.txt: rooms become libraries, and programs link exactly the rooms they may name.

BUILD   ?= build
CC      := gcc
SAN     ?=
VERSION := 0.1.0

WARNINGS := -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Werror
HARDEN   := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero
ifneq ($(SAN),)
HARDEN   := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
CFLAGS   ?= -O2 -g
# Sinks that stand on a broker's own client library are built in when it is there; without it they say so when one is configured.
have      = $(if $(shell pkg-config --exists $(1) 2>/dev/null && echo yes),$(2))
OPTIONAL := $(call have,librabbitmq,librabbitmq) $(call have,rdkafka,rdkafka)
FEATURES := $(call have,librabbitmq,-DSETTLE_WITH_RABBITMQ) $(call have,rdkafka,-DSETTLE_WITH_KAFKA)
# database clients keep their headers in folders of their own
CLIENTS  := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libpq libmariadb))
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) $(HARDEN) -fPIC -MMD -MP -Isrc -Iinclude $(CLIENTS) -DSETTLE_VERSION='"$(VERSION)"' $(FEATURES) $(EXTRA_CFLAGS)
LDFLAGS  = -pie -Wl,--as-needed -Wl,-z,relro,-z,now,-z,noexecstack $(if $(SAN),-fsanitize=$(SAN))
LIBS     = $(shell pkg-config --libs libuv libpq libmariadb $(OPTIONAL) sqlite3 libconfig libssl libcrypto libxxhash) -lm -lpthread

ROOMS    := $(shell sed 's/\#.*//' tools/rooms.txt | awk -F: 'NF { print $$1 }')
MAINS    := src/server/settled.c src/cli/settle.c src/sim/settle_sim.c
# everything a room may name, itself last, all the way down
reach     = $(shell awk -F: '/^[a-z]/ && NF { n = split($$2, r, " "); for (i = 1; i <= n; i++) { need[$$1] = need[$$1] " " need[r[i]] " " r[i] } need[$$1] = need[$$1] " " } $$1 == "$(1)" { m = split(need[$$1] " " $$1, all, " "); for (i = m; i > 0; i--) if (!seen[all[i]]++) print all[i]; exit }' tools/rooms.txt)
sources   = $(filter-out %_test.c $(MAINS),$(wildcard src/$(1)/*.c src/$(1)/*/*.c))
library   = $(BUILD)/lib/$(1).a
libraries = $(foreach room,$(call reach,$(1)),$(if $(call sources,$(room)),$(call library,$(room))))
object    = $(patsubst src/%.c,$(BUILD)/object/%.o,$(1))

PROGRAMS := $(if $(wildcard src/server/settled.c),$(BUILD)/settled) $(if $(wildcard src/cli/settle.c),$(BUILD)/settle) $(if $(wildcard src/sim/settle_sim.c),$(BUILD)/settle-sim)
TESTS    := $(patsubst %.c,$(BUILD)/test/%,$(notdir $(wildcard src/*/*_test.c src/*/*/*_test.c)))

.PHONY: all help deps demo test check unit sim crash-sweep mutants chaos e2e peers fuzz tidy format bench install clean
.SECONDARY:

all: $(PROGRAMS)

help:
	@sed -n 's/^## //p' Makefile

## make demo         install what a build needs, build, and watch settle commit, cancel and survive a crash
demo:
	@tools/deps build
	@$(MAKE) --no-print-directory all
	@$(BUILD)/settle demo --all

## make test         install what is missing, build, and run every test (what CI runs)
test: deps
	@tests/run

## make deps         only install the Debian packages of tools/deps.txt that are missing
deps:
	@tools/deps

## make              build build/settled, build/settle and build/settle-sim
## make check        the quick ring: unit tests, transcripts, 500 simulated worlds (under a minute)
check: all
	@tests/run --quick

## make unit         unit tests only
unit: $(TESTS)
	@tests/run --only unit

## make sim|chaos|e2e|peers|fuzz   one ring of tests at a time
sim chaos e2e peers fuzz crash-sweep mutants: all
	@tests/run --only $@

## make bench        floor, limit and whole side by side; writes build/bench.json
bench: all
	@tools/bench

## make tidy         the house rules: include law, dry rooms, function length, format
tidy:
	@tools/tidy

## make install      programs, systemd unit, manual pages, sample settings, completions; PREFIX=/usr DESTDIR=
PREFIX  ?= /usr/local
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include/settle $(DESTDIR)/etc/settle $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 0755 $(BUILD)/settled $(BUILD)/settle $(DESTDIR)$(PREFIX)/bin/
	install -m 0644 include/settle/*.h $(DESTDIR)$(PREFIX)/include/settle/
	sed 's,/usr/bin/settled,$(PREFIX)/bin/settled,' packaging/settled.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/settled.service
	$(BUILD)/settled --print-defaults > $(DESTDIR)/etc/settle/settled.conf.sample
	BUILD=$(BUILD) tools/man $(BUILD)/man
	for page in $(BUILD)/man/*; do install -D -m 0644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$(basename $$page); done
	$(BUILD)/settle completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/settle
	$(BUILD)/settle completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_settle
	$(BUILD)/settle completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/settle.fish

format:
	@find src include tests -name '*.[ch]' | xargs clang-format -i

clean:
	rm -rf $(BUILD)

define room_rules
$(call library,$(1)): $(call object,$(call sources,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach room,$(ROOMS),$(if $(call sources,$(room)),$(eval $(call room_rules,$(room)))))

$(BUILD)/object/%.o: src/%.c
	@mkdir -p $(@D)
	@echo "  cc    $<"
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

define program_rules
$(2): $(call object,$(1)) $(call libraries,$(3))
	@mkdir -p $$(@D)
	@echo "  link  $$@"
	@$(CC) $$(LDFLAGS) -o $$@ -Wl,--start-group $$^ -Wl,--end-group $$(LIBS) $(4)
endef
$(eval $(call program_rules,src/server/settled.c,$(BUILD)/settled,server))
$(eval $(call program_rules,src/cli/settle.c,$(BUILD)/settle,cli))
$(eval $(call program_rules,src/sim/settle_sim.c,$(BUILD)/settle-sim,sim))
room_of = $(firstword $(subst /, ,$(patsubst src/%,%,$(1))))
$(foreach t,$(wildcard src/*/*_test.c src/*/*/*_test.c),$(eval $(call program_rules,$(t),$(BUILD)/test/$(basename $(notdir $(t))),$(call room_of,$(t)),-lcmocka)))

-include $(shell find $(BUILD)/object -name '*.d' 2>/dev/null)
