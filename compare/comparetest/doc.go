// Package comparetest runs two systems that give the same answers, as far as
// anybody could ask for: the old one and the new one of a fleet of robots, with
// noise as real ones have it. Faults are planted in the new one.
package comparetest
