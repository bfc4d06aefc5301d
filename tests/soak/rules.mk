# tests/soak/rules.mk: the long form of everything that attacks the store: make soak HOURS=n.

.PHONY: soak
soak: $(foreach a,$(ATTACKS),$(B)/attack/tests/$a/$a) ## attack the store for HOURS=n (default 1), going on where the last run stopped
	@tests/soak/soak.sh $(B) $(or $(HOURS),1) $(ATTACKS)
