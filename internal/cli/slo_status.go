package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	neturl "net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
	"github.com/goshawk-io/goshawk/sli"
)

// defaultURL is where an agent answers that was started without flags.
const defaultURL = "http://127.0.0.1:7788"

// sloStatus are the flags of slo status.
type sloStatus struct {
	url, tokenFile, service string
	json                    bool
	// patience is for how long the agent may think.
	patience time.Duration
}

const (
	// statusPatience is for how long slo status waits for an answer.
	statusPatience = 30 * time.Second
	// maxTokenFile is how large a file of a token may be.
	maxTokenFile = 64 << 10
)

func newSLOStatus(env Env) *cobra.Command {
	o := sloStatus{patience: statusPatience}
	cmd := &cobra.Command{
		Use:   "status [--service S] [--json] [--url URL]",
		Short: "Show how objectives stand",
		Long: `Ask a running agent (goshawk up --slo FILE) how its objectives stand: the good and
bad events of the window, what is left of the error budget, how fast it burns, and
the alerts that fire. The token is read from --token-file or GOSHAWK_TOKEN.

A burn rate of 1 spends the budget exactly in the window. "insufficient_data" says
that there were too few events for a verdict.

Exit codes: 0 all promises are kept or nobody can say, 1 a budget is exhausted or
burns too fast, 2 bad usage, 4 the agent does not answer.`,
		Example: "  goshawk slo status\n  goshawk slo status --json | jq '.[] | select(.verdict != \"ok\")'\n  goshawk slo status --url https://host.example:7788 --token-file token",
		Args:    exactArgs(0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), env) },
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", defaultURL, "ask the agent at `URL`")
	f.StringVar(&o.tokenFile, "token-file", "", "a `FILE` with the agent's token")
	f.StringVar(&o.service, "service", "", "only the objectives of service `S`")
	f.BoolVar(&o.json, "json", false, "print a JSON document")
	return cmd
}

func (o *sloStatus) run(ctx context.Context, env Env) error {
	list, err := o.ask(ctx, env)
	if err != nil {
		return err
	}
	switch {
	case o.json:
		err = json.NewEncoder(env.Stdout).Encode(append([]v1.SLO{}, list...))
	case len(list) == 0 && o.service != "":
		_, err = fmt.Fprintf(env.Stdout, "no objectives of the service %s\n", table.Printable(o.service))
	default:
		err = printSLOs(env.Stdout, list)
	}
	if err != nil {
		return err
	}
	if broken := brokenSLOs(list); len(broken) > 0 {
		return &failure{code: exitBad, err: fmt.Errorf("slo status: not kept: %s", strings.Join(broken, ", "))}
	}
	return nil
}

// ask asks the agent.
func (o *sloStatus) ask(ctx context.Context, env Env) ([]v1.SLO, error) {
	at, err := neturl.Parse(o.url)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return nil, usageError("write a URL such as "+defaultURL, "slo status: --url: %s: is no URL of an agent", yamldoc.Show(o.url))
	}
	token, err := o.token(env)
	if err != nil {
		return nil, err
	}
	patient, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	list, err := client.New(client.Options{Base: o.url, Token: token}).SLOs(patient, v1.SLOListQuery{Service: o.service})
	fail := func(hint string, err error) ([]v1.SLO, error) {
		return nil, &failure{code: exitInternal, err: fmt.Errorf("slo status: %s: %w", at.Redacted(), err), hint: hint}
	}
	var refused *client.Error
	switch {
	case err == nil:
		return list.Items, nil
	case ctx.Err() != nil:
		return nil, errInterrupted
	case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
		return fail("give the agent's token by --token-file or in "+tokenVariable, err)
	case errors.As(err, &refused) && refused.Hint != "":
		return fail(refused.Hint, err)
	case errors.As(err, &refused):
		return fail("start the agent with objectives: goshawk up --slo FILE", err)
	case patient.Err() != nil:
		return fail("look whether it is an agent that answers there, and whether it has anything to do", fmt.Errorf("no answer within %v", o.patience))
	}
	return nil, &failure{code: exitInternal, err: fmt.Errorf("slo status: %w", err), hint: "start the agent with goshawk up --slo FILE, or say with --url where it is"}
}

// token reads the agent's token, empty when there is none.
func (o *sloStatus) token(env Env) (string, error) {
	token, from := strings.TrimSpace(env.Getenv(tokenVariable)), tokenVariable
	if o.tokenFile != "" {
		from = "--token-file: " + yamldoc.Show(o.tokenFile)
		text, err := readToken(o.tokenFile)
		if err != nil {
			return "", usageError("name the file that goshawk up was given", "slo status: --token-file: %w", err)
		}
		token = strings.TrimSpace(text)
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", usageError("write the token alone, as goshawk up was given it", "slo status: %s: has a character that no token has", from)
	}
	return token, nil
}

func readToken(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err == nil && len(text) > maxTokenFile {
		err = fmt.Errorf("%s: is larger than %d KiB", name, maxTokenFile>>10)
	}
	return string(text), err
}

// brokenSLOs returns the objectives whose promise is not kept, or about not to be;
// nobody has promised a proposal.
func brokenSLOs(list []v1.SLO) []string {
	var names []string
	for i := range list {
		if v := list[i].Verdict; !list[i].Proposal && (v == sli.Exhausted || v == sli.Burning) {
			names = append(names, table.Printable(list[i].Name))
		}
	}
	return names
}

// maxWidth is wider than any table of objectives: names are not cut.
const maxWidth = 1 << 10

func printSLOs(w io.Writer, list []v1.SLO) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no objectives")
		return err
	}
	rows := [][]string{{"VERDICT", "NAME", "SERVICE", "OBJECTIVE", "WINDOW", "SLI", "BUDGET LEFT", "BURN", "GOOD", "BAD", "ALERTS"}}
	for i := range list {
		s := &list[i]
		if s.Error != "" {
			rows = append(rows, []string{s.Verdict.String(), table.Printable(s.Name), table.Printable(s.Service), percentText(s.Objective, 6), table.Printable(s.Window), "-", "-", "-", "-", "-", "-"})
			continue
		}
		rows = append(rows, []string{
			s.Verdict.String(), table.Printable(s.Name), table.Printable(s.Service), percentText(s.Objective, 6), table.Printable(s.Window), ratioText(s.SLI),
			percentText(s.BudgetRemainingRatio, 3), burnText(s.Burn), amountText(s, s.Good), amountText(s, s.Bad), alertText(s),
		})
	}
	for _, line := range alignRows(rows, maxWidth) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	for i := range list {
		if s := &list[i]; s.Error != "" {
			fmt.Fprintf(w, "note: %s: %s\n", table.Printable(s.Name), table.Printable(s.Error))
		}
		if s := &list[i]; s.Unjudged > 0 {
			fmt.Fprintf(w, "note: %s: %s neither good nor bad: how long they took against the threshold is not known\n", table.Printable(s.Name), counted(s.Unjudged, "event is", "events are"))
		}
	}
	if quiet := quietSLOs(list); quiet != "" {
		fmt.Fprintf(w, "note: no events in the window of %s: goshawk ps, where the agent runs, shows what services are called\n", quiet)
	}
	return nil
}

// amountText writes so many events, or so much time where that is counted.
func amountText(s *v1.SLO, n uint64) string {
	if u := s.UnitNS; u > 0 {
		return time.Duration(int64(min(n, math.MaxInt64/uint64(u))) * u).Round(time.Second).String()
	}
	return strconv.FormatUint(n, 10)
}

// maxQuiet is how many objectives without events are named.
const maxQuiet = 5

// quietSLOs names the objectives that nothing has happened for, empty when there are
// none.
func quietSLOs(list []v1.SLO) string {
	var names []string
	for i := range list {
		if s := &list[i]; s.Error == "" && s.Good+s.Bad+s.Unjudged == 0 {
			names = append(names, table.Printable(s.Name))
		}
	}
	if more := len(names) - maxQuiet; more > 0 {
		names = append(names[:maxQuiet], counted(uint64(more), "more", "more"))
	}
	return strings.Join(names, ", ")
}

// percentText writes a share to so many digits, and to more where it would look like
// all when it is not.
func percentText(share float64, digits int) string {
	text := plainText(share*100, digits)
	for share < 1 && text == "100" && digits < 17 {
		digits++
		text = plainText(share*100, digits)
	}
	return text + " %"
}

// plainText writes a number to so many digits without an exponent.
func plainText(value float64, digits int) string {
	text := strconv.FormatFloat(value, 'g', digits, 64)
	if rounded, err := strconv.ParseFloat(text, 64); err == nil {
		text = strconv.FormatFloat(rounded, 'f', -1, 64)
	}
	return text
}

func ratioText(share *float64) string {
	if share == nil {
		return "-"
	}
	return percentText(*share, 6)
}

// burnText is the rate in the shortest window that has one.
func burnText(burn map[string]*float64) string {
	shortest, text := time.Duration(0), "-"
	for window, rate := range burn {
		d, ok := draft.Length(window)
		if ok && rate != nil && (shortest == 0 || d < shortest) {
			shortest, text = d, plainText(*rate, 3)+"x in "+window
		}
	}
	return text
}

// alertText names the alerts that fire; a proposal has none.
func alertText(s *v1.SLO) string {
	if s.Proposal {
		return "proposed"
	}
	var firing []string
	for _, a := range s.Alerts {
		if a.Firing {
			firing = append(firing, fmt.Sprintf("%s %gx", table.Printable(a.Severity), a.Burn))
		}
	}
	if len(firing) == 0 {
		return "-"
	}
	slices.Sort(firing)
	return strings.Join(slices.Compact(firing), ", ")
}
