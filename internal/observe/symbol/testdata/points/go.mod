module points

go 1.20
