package sli

import "math"

// Wilson returns the score interval of a share of which count out of total were
// seen: between what the true share is, with the given confidence (0.95 say).
// It is a closed form, so that it can be written in PromQL too:
//
//	(k + z²/2 ± z sqrt(k (n-k) / n + z²/4)) / (n + z²)
//
// with z the standard normal quantile of (1+confidence)/2 (E. B. Wilson,
// "Probable inference, the law of succession, and statistical inference", JASA
// 22, 1927). Its coverage is right on average; [ClopperPearson] never has less.
//
// The lower end alone is a bound of confidence (1+confidence)/2: for a one-sided
// bound of 0.95 ask for 0.90.
//
// Nothing is known without events: the answer is 0 to 1, as it is for a count
// above the total and a confidence that is not in [0, 1).
func Wilson(count, total uint64, confidence float64) (low, high float64) {
	if !askable(count, total, confidence) {
		return 0, 1
	}
	z := normalQuantile(confidence)
	k, n := float64(count), float64(total)
	miss := float64(total - count)
	middle, reach := k+z*z/2, z*math.Sqrt(k*(miss/n)+z*z/4)
	low, high = (middle-reach)/(n+z*z), (middle+reach)/(n+z*z)
	// The formula is exact here, its rounding is not. (At 0 both are.)
	if count == total {
		high = 1
	}
	return min(max(low, 0), 1), min(max(high, 0), 1)
}

func askable(count, total uint64, confidence float64) bool {
	return total > 0 && count <= total && confidence >= 0 && confidence < 1
}

// normalQuantile returns z with P(-z < Z < z) = confidence for a standard
// normal Z: the quantile of (1+confidence)/2.
func normalQuantile(confidence float64) float64 { return math.Sqrt2 * math.Erfinv(confidence) }

// manyEvents is from how many good and as many bad events on ClopperPearson
// uses an approximation, which is then right to 1e-10.
const manyEvents = 1_000_000_000

// ClopperPearson returns the exact interval of a share of which count out of
// total were seen: all shares that a test at the level (1-confidence)/2 to each
// side does not refuse (C. J. Clopper and E. S. Pearson, "The use of confidence
// or fiducial limits illustrated in the case of the binomial", Biometrika 26,
// 1934). However the true share is, the interval holds it with the confidence
// or more. It is wider than [Wilson] for it.
//
// The low end solves P(X >= count) = (1-confidence)/2, the high end P(X <=
// count) = (1-confidence)/2, with X binomial: quantiles of the beta distribution
// with parameters (count, total-count+1) and (count+1, total-count).
//
// One-sided bounds and odd arguments are as in [Wilson].
func ClopperPearson(count, total uint64, confidence float64) (low, high float64) {
	if !askable(count, total, confidence) {
		return 0, 1
	}
	miss := total - count
	level := (1 - confidence) / 2
	low, high = 0, 1
	switch {
	case min(count, miss) > manyEvents:
		return correctedWilson(count, total, confidence)
	case count == 0:
		// P(X <= 0) = (1-p)^n
		return 0, -math.Expm1(math.Log(level) / float64(total))
	case miss == 0:
		return math.Exp(math.Log(level) / float64(total)), 1
	}
	guessLow, guessHigh := Wilson(count, total, confidence)
	k, m := float64(count), float64(miss)
	low = betaQuantile(level, k, m+1, guessLow)
	// The upper tail of one beta is the lower tail of its mirror image, where
	// a level near 0 keeps its digits.
	high = 1 - betaQuantile(level, m, k+1, 1-guessHigh)
	return low, high
}

// correctedWilson is the score interval with the correction for continuity (R.
// G. Newcombe, "Two-sided confidence intervals for the single proportion",
// Statistics in Medicine 17, 1998, method 4).
func correctedWilson(count, total uint64, confidence float64) (low, high float64) {
	z := normalQuantile(confidence)
	n := float64(total)
	p, q := float64(count)/n, float64(total-count)/n
	low = (2*n*p + z*z - 1 - z*math.Sqrt(z*z-2-1/n+4*p*(n*q+1))) / (2 * (n + z*z))
	high = (2*n*p + z*z + 1 + z*math.Sqrt(z*z+2-1/n+4*p*(n*q-1))) / (2 * (n + z*z))
	return max(low, 0), min(high, 1)
}

// betaQuantile returns x with I_x(a, b) = level, from a guess, by Newton's
// steps within a bracket that every step narrows.
func betaQuantile(level, a, b, guess float64) float64 {
	low, high := 0.0, 1.0
	x := guess
	for range 200 {
		if !(x > low && x < high) {
			x = (low + high) / 2
		}
		lower, density := betaLower(x, a, b)
		if lower > level {
			high = x
		} else {
			low = x
		}
		next := x - (lower-level)/density
		if math.Abs(next-x) <= 1e-15*x || high-low <= 1e-15*high {
			return x
		}
		x = next
	}
	return x
}

// betaLower returns the regularized incomplete beta function I_x(a, b) and its
// derivative by x, for 0 < x < 1, a and b of at least 1.
func betaLower(x, a, b float64) (lower, density float64) {
	// x^a (1-x)^b (a+b)! / (a! b!), all other factors are small.
	mass := binomialMass(a, a+b, x)
	density = mass * a * b / (a + b) / (x * (1 - x))
	if x < (a+1)/(a+b+2) {
		return mass * b / (a + b) * betaFraction(x, a, b), density
	}
	return 1 - mass*a/(a+b)*betaFraction(1-x, b, a), density
}

// betaFraction evaluates the continued fraction of the incomplete beta function
// (DLMF 8.17.22), by Lentz' method as Thompson and Barnett changed it.
func betaFraction(x, a, b float64) float64 {
	const tiny = 1e-300
	nonzero := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/nonzero(1-(a+b)*x/(a+1))
	fraction := d
	for i := 1; i < 10_000_000; i++ {
		m := float64(i)
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / nonzero(1+even*d)
		c = nonzero(1 + even/c)
		fraction *= d * c
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / nonzero(1+odd*d)
		c = nonzero(1 + odd/c)
		fraction *= d * c
		if math.Abs(d*c-1) < 1e-16 {
			break
		}
	}
	return fraction
}

// binomialMass returns P(X = k) for X binomial of n and p, 0 < k < n, with the
// saddle point expansion that loses no digits for large n (C. Loader, "Fast and
// accurate computation of binomial probabilities", 2000).
func binomialMass(k, n, p float64) float64 {
	exponent := stirlingError(n) - stirlingError(k) - stirlingError(n-k) -
		deviance(k, n*p) - deviance(n-k, n*(1-p))
	return math.Exp(exponent) * math.Sqrt(n/(2*math.Pi*k*(n-k)))
}

// stirlingError returns ln(n!) less Stirling's ln(sqrt(2 pi n) (n/e)^n).
func stirlingError(n float64) float64 {
	if n < 16 {
		l, _ := math.Lgamma(n + 1)
		return l - (n+0.5)*math.Log(n) + n - math.Log(2*math.Pi)/2
	}
	s := 1 / (n * n)
	return (1./12 - s*(1./360-s*(1./1260-s*(1./1680-s/1188)))) / n
}

// deviance returns x ln(x/m) + m - x, by a series where the terms cancel.
func deviance(x, m float64) float64 {
	if math.Abs(x-m) >= 0.1*(x+m) {
		return x*math.Log(x/m) + m - x
	}
	v := (x - m) / (x + m)
	sum := (x - m) * v
	term := 2 * x * v
	for j := 3.0; j < 1000; j += 2 {
		term *= v * v
		next := sum + term/j
		if next == sum {
			break
		}
		sum = next
	}
	return sum
}
