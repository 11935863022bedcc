package shop

import (
	"errors"
	"syscall"
	"testing"
)

func TestLedger_breaksSomeConnectionsOff(t *testing.T) {
	s := openShop(t)
	for n := 1; n <= 2*resetEvery; n++ {
		err := s.bookPayment(t.Context(), n)
		switch broken := n%resetEvery == 0; {
		case broken && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE):
			t.Errorf("payment %d: %v, want a reset", n, err)
		case !broken && err != nil:
			t.Errorf("payment %d: %v", n, err)
		}
	}
}

func TestCustoms_refuse(t *testing.T) {
	if err := openShop(t).askCustoms(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("askCustoms = %v, want a refused connection", err)
	}
}
