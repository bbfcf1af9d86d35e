// Package diff compares the answers of two systems to one request: status,
// headers, and the JSON that they hold, value by value.
//
// [Rules] say what is no difference: what is ignored, how far numbers and
// times may be apart, which words of the old system are which of the new one,
// by which key the items of an array are the same thing. Compiled, they are a
// [Comparer]: it brings an answer of the old system into the new shape, and
// lists each [Difference]. Numbers are compared as they are written, digit by
// digit: 9007199254740993 is not 9007199254740992, and 1.0 is 1.
package diff
