package sli

import (
	"math"
	"math/big"
	"strconv"
)

// Objectives and factors are written in decimals, 0.999 and 14.4, which a
// float64 is only near to: 1 - 0.999 is 0.0010000000000000009. Whatever decides
// something is therefore computed with the decimals themselves.

// decimal returns the shortest decimal number that f is the nearest float64 to,
// which is what was written down. f is finite.
func decimal(f float64) *big.Rat {
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'f', -1, 64))
	if !ok {
		return new(big.Rat)
	}
	return r
}

func whole(n uint64) *big.Rat { return new(big.Rat).SetInt(new(big.Int).SetUint64(n)) }

// ceil returns the least whole number that is not below r, at most the largest
// uint64. r is not negative.
func ceil(r *big.Rat) uint64 {
	n, rest := new(big.Int).QuoRem(r.Num(), r.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		n.Add(n, big.NewInt(1))
	}
	if !n.IsUint64() {
		return math.MaxUint64
	}
	return n.Uint64()
}

// float returns the float64 nearest to r.
func float(r *big.Rat) float64 {
	f, _ := r.Float64()
	return f
}
