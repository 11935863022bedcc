package cli

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/api"
	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/sli"
	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/gate"
)

// gateJudge is a judge of an agent that says what it is told.
type gateJudge []v1.SLO

func (j gateJudge) SLOs(context.Context) ([]v1.SLO, error) {
	if j == nil {
		return nil, errors.New("the store is closed")
	}
	return j, nil
}

func (gateJudge) History(context.Context, string, time.Time, time.Time, time.Duration) (v1.SLOHistory, error) {
	return v1.SLOHistory{}, nil
}

// TestGate_asksARealAgent asks the handler of an agent: what the gate sends and reads is
// what the agent reads and sends.
func TestGate_asksARealAgent(t *testing.T) {
	const secret = "0123456789abcdef"
	token, err := api.NewToken(secret)
	if err != nil {
		t.Fatal(err)
	}
	slo := func(change func(*v1.SLO)) v1.SLO {
		o := v1.SLO{Name: "latency", Service: "shop", Burn: map[string]*float64{}, Alerts: []v1.SLOAlert{}}
		o.Verdict = sli.OK
		change(&o)
		return o
	}
	kept := slo(func(*v1.SLO) {})
	for _, test := range []struct {
		name  string
		judge api.Judge
		ask   gate.ObjectivesOptions
		says  string
	}{
		{"it is kept", gateJudge{kept}, gate.ObjectivesOptions{Token: secret}, ""},
		{"it is kept, asked for by name and service", gateJudge{kept}, gate.ObjectivesOptions{Token: secret, Service: "shop", Names: []string{"latency"}}, ""},
		{"it burns", gateJudge{slo(func(o *v1.SLO) { o.Verdict = sli.Burning })}, gate.ObjectivesOptions{Token: secret}, "latency is burning"},
		{"an alert fires", gateJudge{slo(func(o *v1.SLO) { o.Alerts = []v1.SLOAlert{{Severity: "page", Burn: 14.4, Firing: true}} })}, gate.ObjectivesOptions{Token: secret}, "latency burns more than 14.4x (page)"},
		{"another window is exhausted", gateJudge{slo(func(o *v1.SLO) { o.Windows = []v1.SLOWindow{{Window: "7d", Verdict: sli.Exhausted}} })}, gate.ObjectivesOptions{Token: secret}, "latency is exhausted over 7d"},
		{"a proposal burns", gateJudge{kept, slo(func(o *v1.SLO) { o.Proposal, o.Verdict = true, sli.Burning })}, gate.ObjectivesOptions{Token: secret}, ""},
		{"it is not known", gateJudge{slo(func(o *v1.SLO) { o.Error = "no Prometheus" })}, gate.ObjectivesOptions{Token: secret}, "no Prometheus"},
		{"another service", gateJudge{kept}, gate.ObjectivesOptions{Token: secret, Service: "cart"}, "has no objectives"},
		{"it cannot judge", gateJudge(nil), gate.ObjectivesOptions{Token: secret}, "answers 500"},
		{"it judges nothing", nil, gate.ObjectivesOptions{Token: secret}, "it judges no objectives"},
		{"no token", gateJudge{kept}, gate.ObjectivesOptions{}, "answers 401"},
		{"another token", gateJudge{kept}, gate.ObjectivesOptions{Token: "fedcba9876543210"}, "answers 401"},
	} {
		t.Run(test.name, func(t *testing.T) {
			agent := httptest.NewServer(api.Guard(api.New(api.Options{Judge: test.judge}), api.GuardOptions{Token: token}))
			defer agent.Close()
			test.ask.Agent = agent.URL
			err := gate.Objectives(test.ask)(t.Context(), upgrade.Candidate{})
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v; want %q", err, test.says)
			}
		})
	}
}
