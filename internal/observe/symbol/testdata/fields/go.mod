module fields

go 1.20
