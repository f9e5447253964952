namespace Grid.Text.Tokenization;

/// <summary>A token outside the byte pair model, found in the text before it is cut to words.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text.</param>
/// <param name="StripLeft">It swallows white space before it.</param>
/// <param name="StripRight">It swallows white space after it.</param>
/// <param name="Normalized">It is looked for in the normalized text, else in the text as given.</param>
/// <param name="Special">It is a control token: left out of shown text, and found only where asked for.</param>
internal sealed record AddedToken(int Id, string Content, bool StripLeft, bool StripRight, bool Normalized, bool Special);
