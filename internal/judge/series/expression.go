package series

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// CheckExpression says what is wrong with an expression in PromQL, whose value must
// be a number or numbers of an instant: "1:16: unclosed left parenthesis", with line
// and column in it.
func CheckExpression(expr string) error {
	// A server may have been told to allow experiments.
	parsed, err := parser.NewParser(parser.Options{
		EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true,
	}).ParseExpr(expr)
	var faults parser.ParseErrors
	switch {
	case errors.As(err, &faults) && len(faults) > 0:
		at := faults[0].PositionRange.StartPosInput(expr, 0)
		return fmt.Errorf("%s: %w", strings.Replace(at, "unknown position", "1:1", 1), faults[0].Err)
	case err != nil:
		return err
	}
	switch kind := parsed.Type(); kind {
	case parser.ValueTypeVector, parser.ValueTypeScalar:
		return nil
	case parser.ValueTypeMatrix:
		return errors.New("1:1: it has a value for each time of a range, and not one of an instant")
	default:
		return fmt.Errorf("1:1: it is a %s, and not a number", kind)
	}
}
