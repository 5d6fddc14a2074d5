// The mill in Go: methods, closures and generics, which its compiler inlines.
package main

type grain struct{ weight, moisture int }

type stone interface{ grind(grain) int }

type coarse struct{}

type fine struct{ loss int }

func flour(grams, percent int) int { return grams * percent / 100 }

func (coarse) grind(g grain) int { return flour(g.weight, 70) }

func (f fine) grind(g grain) int { return flour(g.weight, 90) - f.loss*g.moisture }

func fold[T, S any](items []T, sum S, add func(S, T) S) S {
	for _, item := range items {
		sum = add(sum, item)
	}
	return sum
}

//go:noinline
func total(s stone, sack []grain) int {
	return fold(sack, 0, func(sum int, g grain) int { return sum + s.grind(g) })
}

func main() {
	sack := []grain{{140, 2}, {210, 3}, {95, 1}}
	println(total(coarse{}, sack), total(fine{2}, sack))
}
