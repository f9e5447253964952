Console.WriteLine("Grid gateway");
